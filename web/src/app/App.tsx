/** The shell: what is around the canvas. */
export function App() {
  return <main aria-label="nodeflow">nodeflow</main>;
}
