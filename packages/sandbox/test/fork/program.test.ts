// Everything that ../program.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../program.test.ts')
