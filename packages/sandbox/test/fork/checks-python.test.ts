// Everything that ../checks-python.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../checks-python.test.ts')
