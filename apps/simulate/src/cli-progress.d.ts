// The package ships no types; this is what is used of it.
declare module 'cli-progress' {
  class SingleBar {
    constructor(options: { format: string; stream: NodeJS.WritableStream });
    start(total: number, done: number): void;
    setTotal(total: number): void;
    update(done: number): void;
    stop(): void;
  }
  const progress: { SingleBar: typeof SingleBar };
  export default progress;
}
