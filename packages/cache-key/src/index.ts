export * from './canonical.ts'
export * from './fields.ts'
export * from './key.ts'
