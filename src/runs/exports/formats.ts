export const EXPORT_FORMATS = ['jsonl', 'jsonl.gz', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
