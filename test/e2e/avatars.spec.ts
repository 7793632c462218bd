import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import sharp from 'sharp';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { whileLocked } from '../support/outages.js';
import { times } from '../support/repeat.js';
import { signIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const MIB = 1_024 * 1_024;

/** A picture whose left half is red and whose right half is blue. */
function picture(width = 300, height = 200) {
  const half = { width: Math.floor(width / 2), height, channels: 3, background: 'blue' } as const;
  return sharp({ create: { width, height, channels: 3, background: 'red' } }).composite([
    { input: { create: half }, left: Math.ceil(width / 2), top: 0 },
  ]);
}

const SVG = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
);

describe.each(modes)('PUT /v1/me/avatar on $name, with two servers', (mode) => {
  let api: RunningApi;
  let replica: RunningApi;
  let token: string;

  beforeAll(async () => {
    api = await startApi(mode);
    replica = await startReplica(api);
  });
  beforeEach(async () => {
    token = await signIn(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
  });

  const put = (body: Uint8Array, type = 'image/jpeg', server = api): Promise<Answer> =>
    server.client.as(token).send('PUT', '/v1/me/avatar', body, { 'content-type': type });
  const putForm = (body: Uint8Array, name = 'file', fields = ''): Promise<Answer> => {
    const head = `--b\r\ncontent-disposition: form-data; name="${name}"; filename="../../a.svg"\r\ncontent-type: text/html\r\n\r\n`;
    const form = Buffer.concat([Buffer.from(fields + head), body, Buffer.from('\r\n--b--\r\n')]);
    return put(form, 'multipart/form-data; boundary=b');
  };
  const me = async (server = api) => (await server.client.as(token).get('/v1/me')).body;
  /** Downloads an image as it is. */
  const download = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(replica.client.url + path, { headers });
    return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const pixelAt = async (bytes: Buffer, left: number, top: number) => {
    const { data } = await sharp(bytes)
      .extract({ left, top, width: 1, height: 1 })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return [...data].map((value) => (value > 128 ? 1 : 0)).join('');
  };

  it('stores two squares that anyone can read and keep in caches', async () => {
    const { status, body } = await put(await picture().jpeg().toBuffer());
    expect(status).toBe(200);
    const { large, small } = body.avatar;
    expect(body).toMatchObject({ version: 2 });
    expect([(await me()).avatar, (await me(replica)).avatar]).toEqual([body.avatar, body.avatar]);
    for (const [path, size] of [
      [large, 512],
      [small, 128],
    ] as const) {
      const { answer, bytes } = await download(path);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'image/webp',
        'cache-control': 'public, max-age=31536000, immutable',
        'x-content-type-options': 'nosniff',
        'content-security-policy': 'sandbox',
        etag: `"${path.slice('/v1/avatars/'.length, -'.webp'.length)}"`,
      });
      const { format, width, height, exif } = await sharp(bytes).metadata();
      expect([format, width, height, exif]).toEqual(['webp', size, size, undefined]);
      expect([await pixelAt(bytes, 5, 5), await pixelAt(bytes, size - 5, 5)]).toEqual(['100', '001']);
      const again = await download(path, { 'if-none-match': answer.headers.get('etag') as string });
      expect([again.answer.status, again.bytes.length]).toEqual([304, 0]);
    }
  });

  it.each(['jpeg', 'png', 'webp', 'avif', 'gif'] as const)(
    'reads %s, whatever it is called',
    async (format) => {
      const image = await picture().toFormat(format).toBuffer();
      for (const type of ['image/svg+xml', 'application/octet-stream', 'text/html'])
        expect([type, (await put(image, type)).status]).toEqual([type, 200]);
      expect((await putForm(image)).status).toBe(200);
    },
  );

  it('turns the image upright and removes its metadata', async () => {
    const image = await picture()
      .withExif({ IFD0: { Copyright: 'a-secret-place', Orientation: '3' } })
      .withMetadata({ orientation: 3 })
      .jpeg()
      .toBuffer();
    const { avatar } = (await put(image)).body;
    const { bytes } = await download(avatar.large);
    expect(bytes.toString('latin1')).not.toContain('a-secret-place');
    // Turned by 180 degrees.
    expect([await pixelAt(bytes, 5, 5), await pixelAt(bytes, 507, 5)]).toEqual(['001', '100']);
  });

  it('takes the first frame of an animation', async () => {
    const frame = (background: string) =>
      sharp({ create: { width: 40, height: 40, channels: 3, background } })
        .png()
        .toBuffer();
    const frames = [await frame('red'), await frame('blue')];
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif, { animated: true }).metadata()).pages).toBe(2);
    const { bytes } = await download((await put(gif, 'image/gif')).body.avatar.large);
    expect(await pixelAt(bytes, 256, 256)).toBe('100');
    expect((await sharp(bytes).metadata()).pages ?? 1).toBe(1);
  });

  it.each<[what: string, make: () => Promise<Buffer> | Buffer]>([
    ['an SVG', () => SVG],
    ['text', () => Buffer.from('not an image')],
    ['nothing', () => Buffer.alloc(0)],
    ['random bytes', () => randomBytes(10_000)],
    ['a PDF', () => Buffer.from('%PDF-1.4\n1 0 obj\n')],
    ['a TIFF', () => picture().tiff().toBuffer()],
    ['a truncated JPEG', async () => (await picture().jpeg().toBuffer()).subarray(0, 500)],
    ['a PNG of more than 24 megapixels', () => picture(6_000, 4_001).png().toBuffer()],
    ['a JPEG with a script behind it', async () => Buffer.concat([SVG, await picture().jpeg().toBuffer()])],
  ])('rejects %s', async (_, make) => {
    const image = await make();
    for (const { status, body } of [await put(image), await putForm(image)])
      expect([status, body.code]).toEqual([422, 'image_rejected']);
    expect((await me()).avatar).toBeNull();
  });

  it('accepts 24 megapixels, and keeps the avatar when the next image is rejected', async () => {
    const { body } = await put(await picture(6_000, 4_000).png({ compressionLevel: 9 }).toBuffer());
    expect((await put(SVG)).status).toBe(422);
    expect((await me()).avatar).toEqual(body.avatar);
  });

  it('rejects more than 5 MiB, with and without a length', async () => {
    const [most, more] = [Buffer.alloc(5 * MIB), Buffer.alloc(5 * MIB + 1)];
    expect((await put(most)).status).toBe(422);
    for (const answer of [await put(more), await putForm(more)])
      expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
        413,
        'payload_too_large',
        'the image is larger than 5 MiB',
      ]);
    const chunked = await fetch(`${api.client.url}/v1/me/avatar`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'image/png' },
      body: new Blob([more]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  it('rejects other forms and other bodies', async () => {
    const image = await picture().png().toBuffer();
    expect((await putForm(image, 'picture')).body.code).toBe('invalid_request');
    expect((await put(Buffer.from('{}'), 'application/json')).status).toBe(415);
    expect((await put(Buffer.from('file=x'), 'application/x-www-form-urlencoded')).status).toBe(415);
    const field = '--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n1\r\n';
    expect((await putForm(image, 'file', field)).status).toBe(200);
    expect((await put(Buffer.from('--b--\r\n'), 'multipart/form-data; boundary=b')).body.code).toBe(
      'invalid_request',
    );
    const malformed = [
      await put(Buffer.from('junk'), 'multipart/form-data'),
      await put(Buffer.from('junk'), 'multipart/form-data; boundary=b'),
      await put(
        Buffer.from('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx'),
        'multipart/form-data; boundary=b',
      ),
      await putForm(image, 'file', field.repeat(20)),
    ];
    expect(malformed.map(({ body }) => body.code)).toEqual(times(4, () => 'invalid_request'));
    // No other route takes a form of this kind.
    const elsewhere = await api.client.send('POST', '/v1/verifications', image, {
      'content-type': 'multipart/form-data; boundary=b',
    });
    expect(elsewhere.status).toBe(415);
  });

  // The parser stops in the middle of such a form, unless its parts may be as large as an image.
  it.each([17_000, 70_000, 300_000])('rejects a form with a nameless part of %d bytes', async (length) => {
    const nameless = `\r\n--b\r\n\r\n${'x'.repeat(length)}\r\n--b--\r\n${'y'.repeat(3 * length)}`;
    const answer = await put(Buffer.from('p'.repeat(1_024) + nameless), 'multipart/form-data; boundary=b');
    expect(answer.body.code).toBe('invalid_request');
  });

  it('allows ten uploads a day, rejected ones included, to each user', async () => {
    const image = await picture().png().toBuffer();
    for (let n = 0; n < 5; n += 1) {
      expect((await put(image)).status).toBe(200);
      expect((await put(SVG, 'image/png', replica)).status).toBe(422);
    }
    const { status, body } = await put(image, 'image/png', replica);
    expect([status, body.limit]).toEqual([429, 'avatars_per_user']);
    token = await signIn(api);
    expect((await put(image)).status).toBe(200);
  });

  it('converts one image of a user at a time', async () => {
    const image = await picture(3_000, 3_000).png().toBuffer();
    const answers = await Promise.all(times(5, () => put(image)));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses[0]).toBe(200);
    expect(statuses).toContain(429);
    expect((await put(image)).status).toBe(200);
  });

  it('deletes the images with the avatar, and with the account', async () => {
    for (const path of ['/v1/me/avatar', '/v1/me']) {
      token = await signIn(api);
      const unique = picture(100 + path.length, 100);
      const { avatar } = (await put(await unique.png().toBuffer())).body;
      expect((await replica.client.as(token).get('/v1/me/export')).body.user.avatar).toEqual(avatar);
      expect((await api.client.as(token).delete(path)).status).toBe(204);
      for (const image of [avatar.large, avatar.small])
        expect((await download(image)).answer.status).toBe(404);
      if (path === '/v1/me/avatar') expect((await me(replica)).avatar).toBeNull();
    }
    expect(
      await api.database.query('select from avatars where user_id not in (select id from users)'),
    ).toEqual([]);
  });

  it('answers an unknown or malformed name with 404', async () => {
    for (const file of [
      'x.webp',
      `${'0'.repeat(64)}.webp`,
      `${'0'.repeat(64)}.png`,
      `${'G'.repeat(64)}.webp`,
    ])
      expect((await download(`/v1/avatars/${file}`)).answer.status).toBe(404);
  });

  it('needs a session, and reads no body without one', async () => {
    const { status } = await api.client.send('PUT', '/v1/me/avatar', Buffer.alloc(5 * MIB), {
      'content-type': 'image/png',
    });
    expect(status).toBe(401);
  });

  it.each([
    ['a form', 'while the store of their session is awaited', whileLocked],
    ['an image', 'while the store of their session is awaited', whileLocked],
    ['a form', 'while it is read', null],
    ['an image', 'while it is read', null],
  ])('is not kept busy by clients that send %s and go away %s', async (body, _, during) => {
    // A user may upload once in a few seconds, and a server reads 32 images at once.
    const tokens = await Promise.all(times(40, () => signIn(api)));
    const { hostname, port } = new URL(api.client.url);
    const part = '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx';
    const abandon = async (bearer: string, type: string) => {
      const socket = connect(Number(port), hostname);
      await once(socket, 'connect');
      const head = [
        'PUT /v1/me/avatar HTTP/1.1',
        ...[
          'Host: localhost',
          `Authorization: Bearer ${bearer}`,
          `Content-Type: ${type}`,
          'Content-Length: 100000',
        ],
      ];
      socket.write(`${head.join('\r\n')}\r\n\r\n${part}`);
      return socket;
    };
    const requests: IncomingMessage[] = [];
    const collect = (request: IncomingMessage) => requests.push(request);
    api.nest.getHttpServer().on('request', collect);
    const goAway = async () => {
      const sockets = await Promise.all(
        tokens.map((bearer) =>
          abandon(bearer, body === 'a form' ? 'multipart/form-data; boundary=b' : 'image/png'),
        ),
      );
      await waitFor('the requests', () => requests.length === sockets.length);
      const areRead = () => requests.every(({ readableFlowing }) => readableFlowing !== null);
      if (during === null) await waitFor('uploads that are read', areRead);
      for (const socket of sockets) socket.resetAndDestroy();
      await waitFor('the end of the connections', () => requests.every(({ socket }) => socket.destroyed));
    };
    await (during?.(api.database, 'users', goAway) ?? goAway());
    api.nest.getHttpServer().off('request', collect);
    const image = await picture().png().toBuffer();
    // The first ones may find all places taken by requests that are just ending. Each counts as an upload of the user.
    await waitFor('a free place', async () => (await put(image)).status === 200, 15_000, 2_000);
    expect((await putForm(image)).status).toBe(200);
  });

  it('answers the next request of a connection whose upload was refused in the middle', async () => {
    const { hostname, port } = new URL(api.client.url);
    const uploads: IncomingMessage[] = [];
    api.nest.getHttpServer().once('request', (request: IncomingMessage) => uploads.push(request));
    const socket = connect(Number(port), hostname);
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    const length = 20 * MIB;
    const head = [
      ...['PUT /v1/me/avatar HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${token}`],
      ...['Content-Type: multipart/form-data; boundary=b', `Content-Length: ${length}`],
    ];
    const part = `--b\r\ncontent-disposition: form-data; name="other"; filename="a"\r\n\r\n${'x'.repeat(1_000)}`;
    socket.write(`${head.join('\r\n')}\r\n\r\n${part}`);
    await waitFor('the refusal', () => Buffer.concat(received).toString().includes('400 Bad Request'));
    socket.write(Buffer.alloc(length - part.length));
    socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('the next answer', () => Buffer.concat(received).toString().includes('200 OK'));
    socket.destroy();
    expect(uploads[0]?.readableLength).toBe(0);
  });

  it('converts twenty uploads at once', async () => {
    const image = await picture(2_000, 2_000).jpeg().toBuffer();
    const tokens = await Promise.all(times(20, () => signIn(api)));
    const answers = await Promise.all(
      tokens.map((each) =>
        api.client.as(each).send('PUT', '/v1/me/avatar', image, { 'content-type': 'image/jpeg' }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200));
  });
});
