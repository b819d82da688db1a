export * from './records/store.ts'
export * from './verdicts/store.ts'
