// Converts images in a process of its own: see image-converter.service.ts. Plain JavaScript, because the same file runs from the
// sources, from the build and beside the bundle.
import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import workerpool from 'workerpool';

/** Requests come first. */
const NICENESS = 10;

/** The only decoders that are enabled: one that is not needed is an attack surface. HEIC has the loader of AVIF, and no decoder. */
const DECODERS = ['Jpeg', 'Png', 'Webp', 'Heif', 'Nsgif'].map((name) => `VipsForeignLoad${name}`);

const QUALITY = 80;

/** Its native library is an optional dependency, which an installation can lack. */
const loaded = await import('sharp').then(
  ({ default: sharp }) => {
    sharp.cache(false);
    sharp.concurrency(1);
    sharp.block({ operation: ['VipsForeignLoad'] });
    sharp.unblock({ operation: DECODERS });
    return { sharp };
  },
  (error) => ({ missing: error.message.split('\n', 1)[0] }),
);

lowerPriority();

/** On Linux each thread has a priority of its own. Those that decode exist already, because modules were read by them. */
function lowerPriority() {
  setPriority(NICENESS);
  if (process.platform !== 'linux') return;
  for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), NICENESS);
}

/**
 * Returns square WebP images of the given sizes, or the reason why there are none. They are turned upright and have no metadata.
 *
 * @param {Uint8Array} bytes
 * @param {{ sizes: number[], maxPixels: number }} options
 */
async function convert(bytes, { sizes, maxPixels }) {
  const { sharp, missing } = loaded;
  if (missing) return { missing };
  try {
    // The first frame of an animation only. The limit is checked before anything is decoded.
    const image = sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error', pages: 1 });
    const upright = image.autoOrient();
    const images = [];
    for (const size of sizes) {
      const square = upright.clone().resize(size, size, { fit: 'cover' });
      images.push(await square.toColourspace('srgb').webp({ quality: QUALITY }).toBuffer());
    }
    return { images };
  } catch (error) {
    const isTooLarge = /exceeds pixel limit/i.test(error.message);
    return { fault: isTooLarge ? 'too_many_pixels' : 'unreadable' };
  }
}

workerpool.worker({ convert });
