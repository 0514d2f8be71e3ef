#!/usr/bin/env bash
# Fetch the export tasks, keep them, and report on the last whole week.
#
#   weekly-report.sh [FOLDER]
#
# FOLDER/history  the archive. The report reads all of it: how long the service lists a finished
#                 task is not known, and a week alone cannot tell what is new. To start with files of
#                 earlier runs: exportstats archive import FOLDER/history FOLDER/tasks/*.parquet
# FOLDER/reports  the report by week: 2026-W47.html, .md, .eml, .json, and its tables in 2026-W47/.
#
# All else comes from the environment:
#   REPORT_ARCHIVE     another archive, as in s3://bucket/exportstats/history; else FOLDER/history
#   REPORT_TARGETS     whom to ask, as in "--organization --role-name audit"; else boto3's defaults
#   REPORT_LOG_GROUPS  a file of log groups; else AWS is asked for them, and they are kept, too
#   REPORT_WEEK        as in 2026-W47; else the last whole week
#   REPORT_TZ          the time zone of the week; else UTC
#   REPORT_FAIL_ON     warning or critical, at which the exit code is 4; else critical
#   MAIL_FROM, MAIL_TO send the report with Amazon SES; MAIL_TO may name several, with spaces
#   MAIL_WHEN          always, or alert for an exit code other than 0; else always
#   ALERT_TOPIC        the ARN of a topic of SNS, which is told of an exit code other than 0
#   SLACK_WEBHOOK      the URL of an incoming webhook of Slack, which is told so too
#
# It ends with 0, with 3 when only a part arrived or could be read (that part is used), with 4 when
# there is such a finding, with 1 or 2 when there is no report or it was not sent, and with 143 when it
# is stopped. If nothing can be added to the archive, as with a damaged one, the report is on what can
# be read of it and on what AWS lists, which FOLDER/tasks.parquet keeps. It needs bash and GNU date.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-exportstats-reports}
tz=${REPORT_TZ:-UTC}
week=${REPORT_WEEK:-$(TZ=$tz date --date '7 days ago' +%G-W%V)}
read -ra targets <<<"${REPORT_TARGETS:-}"
read -ra receivers <<<"${MAIL_TO:-}"
archive=${REPORT_ARCHIVE:-$folder/history}
report=$folder/reports/$week
sync=("${targets[@]}")
if [[ -z ${REPORT_LOG_GROUPS:-} ]]; then
  sync+=(--log-groups)
fi

written=

# Tell how it ended, unless all is well.
# shellcheck disable=SC2317 # the trap calls it
alert() {
  local code=$?
  if ((code != 0)) && [[ -n ${ALERT_TOPIC:-}${SLACK_WEBHOOK:-} ]]; then
    python3 "$here/alert.py" "$code" ${written:+"$written"} || true
  fi
}
trap alert EXIT
trap 'exit 143' TERM # then bash runs the trap above

weekly() {
  exportstats report "$@" --week "$week" --tz "$tz" \
    --html "$report.html" --markdown "$report.md" --email "$report.eml" --json "$report.json" \
    --csv-dir "$report" --fail-on "${REPORT_FAIL_ON:-critical}"
}

mkdir -p "$folder/reports"

fetched=0
exportstats archive sync "$archive" "${sync[@]}" || fetched=$?
sources=("$archive")
with=(--log-groups "${REPORT_LOG_GROUPS:-$archive}")
if ((fetched == 1)); then
  fetched=0
  exportstats fetch "${targets[@]}" -o "$folder/tasks.parquet" || fetched=$?
  if ((fetched == 0)); then
    fetched=3
  fi
  sources+=("$folder/tasks.parquet")
  if [[ -z ${REPORT_LOG_GROUPS:-} ]]; then
    with=(--log-groups aws "${targets[@]}")
  fi
fi
if ((fetched != 0 && fetched != 3)); then
  exit "$fetched"
fi

told=0
weekly "${sources[@]}" "${with[@]}" || told=$?
if ((told == 1 || told == 2)) && ((${#sources[@]} == 2)); then # the archive cannot be read
  told=0
  weekly "${sources[1]}" "${with[@]}" || told=$?
fi
if ((told != 0 && told != 3 && told != 4)); then
  exit "$told"
fi
code=$((fetched != 0 ? fetched : told))
written=$report.json

if [[ -n ${MAIL_FROM:-} ]] && { ((code != 0)) || [[ ${MAIL_WHEN:-always} == always ]]; }; then
  python3 "$here/send_with_ses.py" "$report.eml" --from "$MAIL_FROM" --to "${receivers[@]}"
fi
exit "$code"
