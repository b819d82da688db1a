export * from './find.ts'
export * from './humaneval.ts'
export * from './recorded.ts'
