export * from './connect.ts'
export { createGuard } from './guard.ts'
export * from './store.ts'
export * from './types.ts'
