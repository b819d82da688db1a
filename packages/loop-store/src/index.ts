export * from './connect.ts'
export * from './store.ts'
export * from './types.ts'
