#!/usr/bin/env node
// loopgate on the command line. Answers are JSON on stdout, so that other programs can read them; what is
// wrong is said in one line on stderr, and the exit code is 1.
import { createClient, type Client } from '@loopgate/client'
import { type NewKey, scopeSchema } from '@loopgate/contracts'
import { Command } from 'commander'
import { grants, label, limit, list } from './options.ts'

const program = new Command('loopgate')
  .description('Keys, tenants and the audit of a Loopgate installation')
  .option('--url <url>', 'gateway; else LOOPGATE_GATEWAY_URL, else http://127.0.0.1:8080')
  .showHelpAfterError()

/** Runs one call with the admin key and prints what it gave. */
async function run(call: (client: Client) => Promise<unknown>): Promise<void> {
  const { LOOPGATE_ADMIN_KEY: apiKey, LOOPGATE_GATEWAY_URL = 'http://127.0.0.1:8080' } = process.env
  // Never an option: the arguments of a process are for all of the machine to see.
  if (apiKey === undefined || apiKey === '') return fail('set LOOPGATE_ADMIN_KEY to an admin key of the installation')
  const baseUrl = program.opts<{ url?: string }>().url ?? LOOPGATE_GATEWAY_URL
  const client = createClient({ baseUrl, apiKey })
  try {
    const answer = await call(client)
    if (answer !== undefined) process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`)
  } catch (error) {
    fail(`${baseUrl}: ${(error as Error).message}`)
  } finally {
    await client.close()
  }
}

function fail(text: string): never {
  process.stderr.write(`loopgate: ${text}\n`)
  process.exit(1)
}

const keys = program.command('keys').description('API keys')
const withGrants = (command: Command): Command =>
  command
    .option('--scopes <list>', scopeSchema.options.join(', '), list)
    .option('--models <list>', 'the only models that it may name', list)
    .option('--limit <name=number>', 'a hard limit, as often as needed, e.g. tokensPerDay=1000000', limit)
    .option('--label <name=text>', 'for people, as often as needed', label)
    .option('--priority-ceiling <class>', 'interactive, loop or batch')
    .option('--expires <time>', 'ISO 8601, e.g. 2027-12-31T00:00:00Z')

withGrants(keys.command('create').description('make a key; its secret is shown this once'))
  .requiredOption('--tenant <tenant>', 'who pays')
  .requiredOption('--name <name>', 'for people')
  .action((options: { tenant: string }) =>
    run((client) => client.keys.create({ ...grants(options), tenant: options.tenant } as NewKey)),
  )
keys
  .command('list')
  .description('list keys, the oldest first')
  .option('--tenant <tenant>', 'only those of this tenant')
  .action(({ tenant }: { tenant?: string }) =>
    run((client) => client.keys.list(tenant === undefined ? {} : { tenant })),
  )
keys
  .command('show <id>')
  .description('show a key')
  .action((id: string) => run((client) => client.keys.get(id)))
withGrants(keys.command('change <id>').description('change what a key may do; what is not named stays'))
  .option('--name <name>', 'for people')
  .action((id: string, options: object) => run((client) => client.keys.change(id, grants({ ...options }))))
keys
  .command('rotate <id>')
  .description('give a key a new secret, shown this once')
  .option('--overlap <seconds>', 'how long the old secret works on; an hour by default', Number)
  .action((id: string, { overlap }: { overlap?: number }) =>
    run((client) => client.keys.rotate(id, { overlapSeconds: overlap })),
  )
keys
  .command('revoke <id>')
  .description('revoke a key for good')
  .action((id: string) => run((client) => client.keys.revoke(id)))
keys
  .command('usage <id>')
  .description('what a key has used and holds')
  .action((id: string) => run((client) => client.keys.usage(id)))

const tenants = program.command('tenants').description('limits that all keys of a tenant share')
tenants
  .command('list')
  .description('list tenants that have limits')
  .action(() => run((client) => client.tenants.list()))
tenants
  .command('set <tenant>')
  .description('set the limits of a tenant, all of them')
  .requiredOption('--limit <name=number>', 'as often as needed', limit)
  .action((tenant: string, options: { limit: object }) => run((client) => client.tenants.set(tenant, options.limit)))
tenants
  .command('remove <tenant>')
  .description('take the limits of a tenant away')
  .action((tenant: string) => run((client) => client.tenants.remove(tenant)))
tenants
  .command('usage <tenant>')
  .description('what a tenant has used and holds')
  .action((tenant: string) => run((client) => client.tenants.usage(tenant)))

program
  .command('audit')
  .description('what was done to keys and tenants, the oldest first')
  .option('--after <id>', 'entries after this one')
  .option('--count <number>', 'how many', Number)
  .action(({ after, count }: { after?: string; count?: number }) =>
    run((client) => client.audit({ after, limit: count })),
  )

await program.parseAsync()
