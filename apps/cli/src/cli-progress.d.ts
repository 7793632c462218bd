// cli-progress ships no types. This declares the part used here.
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
