import { getEventListeners, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect } from 'chai';
import { configMaps, nodes } from '../api/resource.ts';
import { tokenAccess } from './access.ts';
import { KubeClient, KubeError } from './client.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

describe('KubeClient', () => {
  let server: Server;
  let handler: Handler;
  let sockets: Set<Socket>;
  let client: KubeClient;
  let tokens: string[];
  const a = { namespace: 'default', name: 'a' };

  beforeEach(async () => {
    sockets = new Set();
    tokens = ['first'];
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      handler(request, response, Buffer.concat(chunks).toString());
    });
    server.on('connection', socket => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const token = () => (tokens.length > 1 ? (tokens.shift() as string) : (tokens[0] as string));
    client = new KubeClient(tokenAccess({ server: `http://127.0.0.1:${port}/base/`, token }));
  });
  afterEach(async () => {
    // It is the client that leaves no connection.
    client.close();
    await until(() => sockets.size === 0);
    server.close();
    await once(server, 'close');
  });

  const failure = async (promise: Promise<unknown>): Promise<KubeError> => {
    const reason = await promise.then(
      () => expect.fail('it should have failed'),
      (error: unknown) => error,
    );
    expect(reason).to.be.instanceOf(KubeError);
    return reason as KubeError;
  };
  const answer = (response: ServerResponse, value: unknown, status = 200) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const object = { metadata: { name: 'a', namespace: 'default', resourceVersion: '1' } };

  it('asks below the path of the server URL, as whom it is', async () => {
    let seen: unknown;
    handler = ({ method, url, headers }, response) => {
      seen = { method, url, authorization: headers.authorization, agent: headers['user-agent'] };
      answer(response, object);
    };
    expect(await client.get(configMaps, a)).to.deep.equal(object);
    expect(seen).to.deep.equal({
      method: 'GET',
      url: '/base/api/v1/namespaces/default/configmaps/a',
      authorization: 'Bearer first',
      agent: 'nauti',
    });
  });

  it('says what it writes and how', async () => {
    const seen: unknown[] = [];
    handler = ({ method, url, headers }, response, body) => {
      seen.push([method, url, headers['content-type'], JSON.parse(body)]);
      answer(response, object);
    };
    const reference = { name: 'a', namespace: 'default' };
    await client.apply(
      configMaps,
      { metadata: reference },
      { fieldManager: 'm', force: true, subresource: 'status' },
    );
    await client.create(configMaps, { metadata: reference }, { fieldManager: 'm' });
    await client.delete(configMaps, a, { preconditions: { uid: 'u' }, propagationPolicy: 'Orphan' });
    const typed = { metadata: reference, apiVersion: 'v1', kind: 'ConfigMap' };
    const collection = '/base/api/v1/namespaces/default/configmaps';
    expect(seen).to.deep.equal([
      ['PATCH', `${collection}/a/status?fieldManager=m&force=true`, 'application/apply-patch+yaml', typed],
      ['POST', `${collection}?fieldManager=m`, 'application/json', typed],
      [
        'DELETE',
        `${collection}/a`,
        'application/json',
        { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u' }, propagationPolicy: 'Orphan' },
      ],
    ]);
  });

  it('refuses what would address something else than one object', async () => {
    handler = () => expect.fail('nothing may be sent');
    for (const name of ['', '.', '..', 'a/b', undefined as unknown as string]) {
      const error = await client.delete(configMaps, { namespace: 'default', name }).catch((e: unknown) => e);
      expect(error, `name ${name}`).to.be.instanceOf(TypeError);
    }
    for (const namespace of ['', '..', 'a/b', undefined]) {
      const error = await client.get(configMaps, { namespace, name: 'a' }).catch((e: unknown) => e);
      expect(error, `namespace ${namespace}`).to.be.instanceOf(TypeError);
    }
    const error = await client.get(nodes, { namespace: 'default', name: 'a' }).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(TypeError);
  });

  it('escapes names', async () => {
    let seen = '';
    handler = ({ url }, response) => {
      seen = url ?? '';
      answer(response, object);
    };
    await client.get(configMaps, { namespace: 'default', name: 'a?watch=1#b c' });
    expect(seen).to.match(/\/a%3Fwatch%3D1%23b%20c$/);
  });

  it('maps a Status to an error', async () => {
    handler = (_, response) =>
      answer(
        response,
        {
          kind: 'Status',
          message: 'no way',
          reason: 'Forbidden',
          details: { name: 'a', retryAfterSeconds: 3 },
        },
        403,
      );
    const error = await failure(client.get(configMaps, a));
    expect(error).to.include({ status: 403, reason: 'Forbidden', retryAfterMs: 3_000 });
    expect(error.message).to.equal('Cannot GET /api/v1/namespaces/default/configmaps/a: no way');
    expect(error.details).to.deep.include({ name: 'a' });
  });

  it('maps what is no Status, by its code', async () => {
    const answers: [number, string, Record<string, string>, string, number | undefined][] = [
      [429, 'busy', { 'retry-after': '2' }, 'TooManyRequests', 2_000],
      [503, '<html>', { 'retry-after': '999999' }, 'ServiceUnavailable', 120_000],
      [502, '', { 'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT' }, 'InternalError', undefined],
      [302, '', { location: 'http://198.51.100.1/' }, 'Unknown', undefined],
      [410, '{}', {}, 'Expired', undefined],
    ];
    for (const [code, body, headers, reason, retryAfterMs] of answers) {
      handler = (_, response) => response.writeHead(code, headers).end(body);
      expect(await failure(client.get(configMaps, a))).to.include({ status: code, reason, retryAfterMs });
    }
  });

  it('maps an answer that is not what the API sends', async () => {
    for (const body of ['{"metadata":', '[]', 'null', '{"metadata":null}', '']) {
      handler = (_, response) => response.end(body);
      expect((await failure(client.get(configMaps, a))).reason, body).to.equal('InvalidAnswer');
    }
    for (const body of ['{}', '{"metadata":{}}', '{"metadata":{"resourceVersion":"1"},"items":7}', '7']) {
      handler = (_, response) => response.end(body);
      const list = client.listPages(configMaps)[Symbol.asyncIterator]();
      expect((await failure(list.next())).reason, body).to.equal('InvalidAnswer');
    }
  });

  it('tries once more with a renewed token after a 401', async () => {
    tokens = ['old', 'new'];
    const seen: unknown[] = [];
    handler = ({ headers }, response) => {
      seen.push(headers.authorization);
      if (headers.authorization === 'Bearer new') answer(response, object);
      else answer(response, { kind: 'Status', reason: 'Unauthorized', message: 'who?' }, 401);
    };
    expect(await client.get(configMaps, a)).to.deep.equal(object);
    tokens = ['wrong'];
    expect((await failure(client.get(configMaps, a))).status).to.equal(401);
    expect(seen).to.deep.equal(['Bearer old', 'Bearer new', 'Bearer wrong', 'Bearer wrong']);
  });

  it('does not send a token that would break out of its header, nor shows it', async () => {
    handler = () => expect.fail('nothing may be sent');
    tokens = ['secret\r\nX-Evil: 1'];
    const error = await failure(client.get(configMaps, a));
    expect(error.message).to.contain('the token');
    expect(error.message).not.to.contain('secret');
  });

  it('sends a read again when a pooled connection turns out dead, a creation not', async () => {
    let requests = 0;
    handler = (_, response) => {
      requests++;
      answer(response, object);
    };
    const poolOneAndBreakIt = async () => {
      handler = (_, response) => answer(response, object);
      await client.get(configMaps, a);
      handler = (request, response) => {
        requests++;
        if (requests === 1) request.socket.resetAndDestroy();
        else answer(response, object);
      };
      requests = 0;
    };
    await poolOneAndBreakIt();
    expect(await client.get(configMaps, a)).to.deep.equal(object);
    expect(requests).to.equal(2);
    await poolOneAndBreakIt();
    expect(await failure(client.create(configMaps, object))).to.include({ status: 0, reason: 'Unreachable' });
    expect(requests).to.equal(1);
  });

  it('says that nobody listens', async () => {
    const away = createServer().listen(0, '127.0.0.1');
    await once(away, 'listening');
    const { port } = away.address() as AddressInfo;
    away.close();
    await once(away, 'close');
    const lonely = new KubeClient(tokenAccess({ server: `http://127.0.0.1:${port}`, token: () => 'x' }));
    const error = await failure(lonely.get(configMaps, a));
    expect(error).to.include({ status: 0, reason: 'Unreachable' });
    expect(error.message).to.contain('ECONNREFUSED');
    expect(error.cause).to.be.instanceOf(Error);
    lonely.close();
  });

  it('rejects with the reason of its signal, wherever it is', async () => {
    const places: Handler[] = [
      () => undefined,
      (_, response) => {
        response.writeHead(200).write('{"metadata":');
      },
    ];
    for (const place of places) {
      const abort = new AbortController();
      handler = (request, response, body) => {
        place(request, response, body);
        setTimeout(() => abort.abort(new Error('enough')), 20);
      };
      const reason = await client.get(configMaps, a, { signal: abort.signal }).catch((e: unknown) => e);
      expect(reason).to.equal(abort.signal.reason);
    }
    const before = AbortSignal.abort(new Error('before'));
    expect(await client.get(configMaps, a, { signal: before }).catch((e: unknown) => e)).to.equal(
      before.reason,
    );
  });

  it('leaves nothing behind on a signal that lives on', async () => {
    const { signal } = new AbortController();
    handler = (_, response) => answer(response, object);
    for (let n = 0; n < 20; n++) await client.get(configMaps, a, { signal });
    handler = (request, response) => {
      response.writeHead(200).write('{');
      request.socket.destroy();
    };
    await failure(client.get(configMaps, a, { signal }));
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('stops fetching pages when the reader leaves', async () => {
    handler = ({ url }, response) => {
      if (url?.includes('continue=')) return; // The next page never comes.
      answer(response, { metadata: { resourceVersion: '1', continue: 'more' }, items: [object] });
    };
    for await (const page of client.listPages(configMaps)) {
      expect(page.items).to.have.length(1);
      break;
    }
    client.close();
    await until(() => sockets.size === 0);
  });

  it('asks for smaller pages where objects are large', async () => {
    const limits: string[] = [];
    const large = { ...object, data: 'x'.repeat(20_000) };
    handler = ({ url }, response) => {
      const query = new URL(url ?? '', 'http://x').searchParams;
      limits.push(query.get('limit') ?? 'none');
      const items = Array.from({ length: 20 }, () => large);
      const more = limits.length < 3 ? { continue: 'more' } : {};
      answer(response, { metadata: { resourceVersion: '1', ...more }, items });
    };
    for await (const _ of client.listPages(configMaps));
    expect(limits).to.deep.equal(['50', '26', '26']);
  });

  it('fails what is under way when it is closed, and what comes after', async () => {
    handler = () => client.close();
    expect((await failure(client.get(configMaps, a))).reason).to.equal('Unreachable');
    expect((await failure(client.get(configMaps, a))).message).to.contain('the client is closed');
  });

  async function until(holds: () => boolean): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (!holds() && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5));
    expect(holds()).to.equal(true);
  }
});
