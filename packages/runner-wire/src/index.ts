export * from './inbox.ts'
export * from './outbox.ts'
export * from './version.ts'
