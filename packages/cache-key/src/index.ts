export * from './canonical.ts'
export * from './field-digests.ts'
export * from './fields.ts'
export * from './key.ts'
