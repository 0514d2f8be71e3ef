# /// script
# requires-python = ">=3.11"
# dependencies = ["exportstats @ https://artifacts.example.com/exportstats-0.1.0-py3-none-any.whl"]
# ///
"""Print what failed since yesterday and was not retried, and when the active tasks will be done.

    uv run oncall.py

It asks for the tasks of the account and region of the credentials, and needs the permission
logs:DescribeExportTasks. Change the address above to that of your own wheel, or of a Git tag. The
exit code is 4 if a task failed and was not retried, and 1 if the tasks could not be listed.
"""

import sys

import pandas as pd

import exportstats as xs

tasks = xs.fetch_tasks()
since = tasks["observed_at"].max() - pd.Timedelta("1D")

retries = xs.find_retries(tasks[tasks["creation_time"] >= since])
failed = retries[retries["retry_task_id"].isna()]
print(f"{len(failed)} of {len(retries)} failed tasks were not retried\n")
if len(failed):
    shown = failed[["log_group_name", "from_time", "to_time", "task_id"]]
    print(xs.format_durations(shown).hide().to_string(delimiter="  "))

active = xs.estimate_completion(tasks)
print(f"active tasks: {len(active)}\n")
if len(active):
    shown = active[["log_group_name", "remaining_low", "remaining", "remaining_high"]]
    print(xs.format_durations(shown).hide().to_string(delimiter="  "))

sys.exit(4 if len(failed) else 0)
