// Everything that ../hostile.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../hostile.test.ts')
