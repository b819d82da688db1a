// Everything that ../artifacts.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../artifacts.test.ts')
