# The role of read-role.yaml in each account of an organisational unit, present and future, from
# the organisation's management account.
#   terraform init
#   terraform apply -var collector=arn:aws:iam::111122223333:role/exportstats-weekly-report \
#     -var external_id=acme-exports -var unit=ou-abcd-12345678

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "collector" {
  description = "The ARN of the role that asks"
  type        = string
}

variable "external_id" {
  description = "What the collector has to name when it assumes the role"
  type        = string
}

variable "unit" {
  description = "The ID of the organisational unit, or of the root for all accounts"
  type        = string
}

resource "aws_cloudformation_stack_set" "read" {
  name             = "exportstats-read"
  template_body    = file("${path.module}/read-role.yaml")
  permission_model = "SERVICE_MANAGED"
  capabilities     = ["CAPABILITY_NAMED_IAM"]

  parameters = {
    Collector  = var.collector
    ExternalId = var.external_id
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  operation_preferences {
    failure_tolerance_percentage = 10
    max_concurrent_percentage    = 25
  }

  lifecycle {
    ignore_changes = [administration_role_arn]
  }
}

resource "aws_cloudformation_stack_set_instance" "read" {
  stack_set_name = aws_cloudformation_stack_set.read.name
  region         = "us-east-1" # a role is the same in all regions

  deployment_targets {
    organizational_unit_ids = [var.unit]
  }
}
