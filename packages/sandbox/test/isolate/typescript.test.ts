// Everything that ../typescript.test.ts promises, in isolates.
process.env['SANDBOX_TEST_TIER'] = 'isolate'
await import('../typescript.test.ts')
