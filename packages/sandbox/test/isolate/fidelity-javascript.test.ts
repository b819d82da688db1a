// Everything that ../fidelity-javascript.test.ts promises, in isolates.
process.env['SANDBOX_TEST_TIER'] = 'isolate'
await import('../fidelity-javascript.test.ts')
