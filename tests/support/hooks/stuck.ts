// A hook that never returns.
export default function stuck(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 1000));
}
