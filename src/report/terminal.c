typedef int bki_report_empty;
