// Everything that ../checks-javascript.test.ts promises, in sandboxes that were started ahead.
process.env['SANDBOX_TEST_WARM'] = '1'
await import('../checks-javascript.test.ts')
