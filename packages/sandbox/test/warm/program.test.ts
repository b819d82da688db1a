// Everything that ../program.test.ts promises, in sandboxes that were started ahead.
process.env['SANDBOX_TEST_WARM'] = '1'
await import('../program.test.ts')
