// Everything that ../fidelity.test.ts promises, in forks.
process.env['SANDBOX_TEST_TIER'] = 'fork'
await import('../fidelity.test.ts')
