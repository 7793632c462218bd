import { isOwnHost } from './own-hosts.js';

const OWN = ['dev-box', '192.168.1.7', '::ffff:10.0.0.3', 'fd00::7', 'Codes.Example.com'];

describe('isOwnHost', () => {
  it.each([
    'localhost',
    'LOCALHOST:4000',
    'localhost.',
    'app.localhost:4000',
    '127.0.0.1:4000',
    '127.9.9.9',
    '[::1]:4000',
    '[::ffff:127.0.0.1]',
    'dev-box:4000',
    'Dev-Box.',
    '192.168.1.7:4000',
    '10.0.0.3',
    '[fd00::7]:4000',
    '[FD00:0::7]',
    'codes.example.com',
    'codes.example.com:443',
  ])('accepts %s', (host) => {
    expect(isOwnHost(host, OWN)).toBe(true);
  });

  it.each([
    undefined,
    '',
    ':4000',
    'evil.example',
    'evil.example:4000',
    'localhost.evil.example',
    'evil-localhost',
    '127.0.0.1.evil.example',
    'evil.example@localhost',
    'localhost@evil.example',
    'localhost/.evil.example',
    'evil.example?localhost',
    'localhost, evil.example',
    'sub.codes.example.com',
    'dev-box.evil.example',
    '192.168.1.8',
    '0.0.0.0',
    '[::]',
    '::1',
    'localhost:port',
  ])('refuses %j', (host) => {
    expect(isOwnHost(host, OWN)).toBe(false);
  });
});
