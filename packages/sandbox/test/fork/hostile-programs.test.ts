// Everything that ../hostile-programs.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../hostile-programs.test.ts')
