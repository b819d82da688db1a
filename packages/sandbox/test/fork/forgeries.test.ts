// Everything that ../forgeries.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../forgeries.test.ts')
