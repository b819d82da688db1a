import t from 'tap'
import { KEY, kit } from '../kit.ts'

const IDS = ['gpt-oss-120b', 'zai-glm-4.7', 'gemma-4-31b', 'qwen-3.8-27b']

t.test('the models of a key are listed as recorded, and asked for one by one', async (t) => {
  const { get } = kit(t)
  const list = await get('/v1/models')
  t.strictSame(list.json(), {
    object: 'list',
    data: IDS.map((id) => ({ id, object: 'model', created: 0, owned_by: 'Cerebras' })),
  })
  for (const id of IDS)
    t.strictSame((await get(`/v1/models/${id}`)).json(), { id, object: 'model', created: 0, owned_by: 'Cerebras' })
})

t.test('the listing of a key needs one, the public one does not', async (t) => {
  const { get } = kit(t, { keys: [KEY] })
  t.equal((await get('/v1/models', {})).statusCode, 403)
  t.equal((await get('/v1/models/gpt-oss-120b', {})).body, '{"detail":"Not authenticated"}')
  t.equal((await get('/v1/models', { authorization: 'Bearer csk-wrong' })).statusCode, 401)
  t.equal((await get('/public/v1/models', {})).statusCode, 200)
  t.equal((await get('/public/v1/models/gpt-oss-120b', {})).json().id, 'gpt-oss-120b')
})

t.test('the public entry carries prices, capabilities and limits in the recorded order', async (t) => {
  const { get } = kit(t)
  const entry = (await get('/public/v1/models', {})).json().data[0]
  t.strictSame(Object.keys(entry), [
    'id',
    'object',
    'created',
    'owned_by',
    'name',
    'description',
    'hugging_face_id',
    'pricing',
    'capabilities',
    'supported_parameters',
    'architecture',
    'limits',
    'datacenter_locations',
    'deprecated',
    'preview',
    'quantization',
  ])
  t.strictSame(entry.pricing, { prompt: '0.00000035', completion: '0.00000075' })
  t.strictSame(entry.limits, {
    max_context_length: 131_072,
    max_completion_tokens: 40_960,
    requests_per_minute: null,
    tokens_per_minute: null,
  })
})

t.test('the two foreign formats have their own prices and names', async (t) => {
  const { get } = kit(t)
  const openRouter = (await get('/v1/models?format=openrouter')).json()
  t.equal(openRouter.data[0].id, 'cerebras/gpt-oss-120b')
  t.equal(openRouter.data[0].context_length, 131_072)
  const huggingFace = (await get('/public/v1/models?format=huggingface', {})).json()
  t.strictSame(huggingFace.data[0].pricing, { input: 0.35, output: 0.75 })
  t.equal((await get('/v1/models?format=yaml')).statusCode, 400)
})

t.test('a model that is not there is the 404 of a completion, whatever its name', async (t) => {
  const { get } = kit(t)
  for (const id of ['llama3.1-8b', 'a/b', '%00']) {
    const reply = await get(`/v1/models/${id}`)
    t.equal(reply.statusCode, 404)
    t.equal(reply.json().code, 'model_not_found')
  }
})

t.test('the path that warms a connection answers JSON without a key', async (t) => {
  const reply = await kit(t).get('/v1/tcp_warming', {})
  t.equal(reply.statusCode, 200)
  t.ok(reply.json())
  t.equal((await kit(t).get('/healthz', {})).statusCode, 200)
})
