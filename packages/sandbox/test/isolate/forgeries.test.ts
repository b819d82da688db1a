// Everything that ../forgeries.test.ts promises, in isolates.
process.env['SANDBOX_TEST_TIER'] = 'isolate'
await import('../forgeries.test.ts')
