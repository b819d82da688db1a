// What ../timers.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../timers.test.ts')
