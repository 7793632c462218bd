import { runServer } from '#program';
import { createApi } from './api.js';
import { banner } from './banner.js';

await runServer(async ({ config, databaseUrl, log }) => {
  const api = await createApi(config, databaseUrl, log);
  await api.listen(config.port, config.host).catch(async (error) => {
    await api.close();
    throw error;
  });
  process.stdout.write(banner(await api.getUrl(), config));
  return api;
});
