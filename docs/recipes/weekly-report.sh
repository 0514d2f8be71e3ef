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
#
# It ends with 0, with 3 when only a part arrived (that part is used), with 4 when there is such a
# finding, and with 1 or 2 when there is no report. It needs bash and GNU date.
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

mkdir -p "$folder/reports"

fetched=0
exportstats archive sync "$archive" "${sync[@]}" || fetched=$?
if ((fetched != 0 && fetched != 3)); then
  exit "$fetched"
fi

told=0
exportstats report "$archive" --log-groups "${REPORT_LOG_GROUPS:-$archive}" --week "$week" --tz "$tz" \
  --html "$report.html" --markdown "$report.md" --email "$report.eml" --json "$report.json" \
  --csv-dir "$report" --fail-on "${REPORT_FAIL_ON:-critical}" || told=$?
if ((told != 0 && told != 3 && told != 4)); then
  exit "$told"
fi

if [[ -n ${MAIL_FROM:-} ]]; then
  python3 "$here/send_with_ses.py" "$report.eml" --from "$MAIL_FROM" --to "${receivers[@]}"
fi
exit $((told != 0 ? told : fetched))
