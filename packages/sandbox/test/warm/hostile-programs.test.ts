// Everything that ../hostile-programs.test.ts promises, in sandboxes that were started ahead.
process.env['SANDBOX_TEST_WARM'] = '1'
await import('../hostile-programs.test.ts')
