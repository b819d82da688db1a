export { createSandbox } from './create-sandbox.ts'
export { customLanguageSchema } from './languages/generic.ts'
export { candidateSha256 } from './candidate-hash.ts'
export type {
  ExecuteOptions,
  LanguageVersion,
  Sandbox,
  SandboxOptions,
  SandboxResult,
  SelfTestReport,
} from './types.ts'
