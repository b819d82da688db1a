export { ApiError } from './api-error.ts'
export * from './client.ts'
export type * from './types.ts'
