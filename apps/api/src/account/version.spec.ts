import { InvalidRequest } from '#errors';
import { tagOfVersion, versionOfTag } from './version.js';

it.each([1, 27, 999_999_999])('reads the tag of version %d', (version) => {
  expect(versionOfTag(tagOfVersion(version))).toBe(version);
});

it.each([undefined, '*', ' * '])('demands no version for %j', (header) => {
  expect(versionOfTag(header)).toBeNull();
});

it.each(['', '1', 'W/"1"', '"1", "2"', '"x"', '"-1"', '"1234567890"'])('rejects %j', (header) => {
  expect(() => versionOfTag(header)).toThrow(InvalidRequest);
});
