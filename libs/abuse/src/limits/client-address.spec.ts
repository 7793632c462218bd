import { clientAddressOf } from './client-address.js';

describe('clientAddressOf', () => {
  it.each([
    ['192.0.2.129', '192.0.2.129', '192.0.2.0/24'],
    ['::ffff:192.0.2.129', '192.0.2.129', '192.0.2.0/24'],
    ['::ffff:c000:281', '192.0.2.129', '192.0.2.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:DB8:1:2::FFFF', '2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64', '2001:db8:1::/48'],
    ['fe80::1%eth0', 'fe80::/64', 'fe80::/48'],
    ['::1', '::/64', '::/48'],
  ])('maps %s to a client and its network', (text, client, network) => {
    expect(clientAddressOf(text)).toMatchObject({ client, network });
  });

  it.each([
    '',
    ' ',
    'localhost',
    '42',
    '1.2.3',
    '010.1.1.1',
    '0x7f.1',
    '192.0.2.1:80',
    '[::1]',
    '192.0.2.256',
    '::g',
  ])('does not accept %j as an address', (text) => {
    expect(clientAddressOf(text)).toEqual({ client: 'unknown', network: 'unknown', wider: [] });
  });

  it.each([
    ['192.0.2.129', ['192.0.0.0/16']],
    ['2001:db8:1234:2:3:4:5:6', ['2001:db8:1200::/40', '2001:db8::/32']],
  ])('names the wider networks of %s', (text, wider) => {
    expect(clientAddressOf(text).wider).toEqual(wider);
  });
});
