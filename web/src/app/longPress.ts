/**
 * A long press of one finger opens the menu that a right click opens, also where the browser sends no `contextmenu` for
 * it. A finger that moves, a second finger, or the browser's own event ends it.
 */

const PRESS_MS = 550;
const SLOP = 10;

export function watchLongPress(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let from: { x: number; y: number } | null = null;
  let opened = false;
  const stop = () => {
    clearTimeout(timer);
    from = null;
  };
  const down = (event: PointerEvent) => {
    stop();
    opened = false;
    const target = event.target;
    if (event.pointerType !== "touch" || !event.isPrimary || !(target instanceof Element)) return;
    if (target.closest("[data-canvas]") === null || target.closest("input, textarea, select, dialog") !== null) return;
    const { clientX, clientY } = event;
    from = { x: clientX, y: clientY };
    timer = setTimeout(() => {
      stop();
      opened = true;
      target.dispatchEvent(
        new MouseEvent("contextmenu", { bubbles: true, cancelable: true, view: window, button: 2, clientX, clientY }),
      );
    }, PRESS_MS);
  };
  const move = (event: PointerEvent) => {
    if (from && Math.hypot(event.clientX - from.x, event.clientY - from.y) > SLOP) stop();
  };
  const second = (event: TouchEvent) => {
    if (event.touches.length > 1) stop();
  };
  const native = (event: MouseEvent) => {
    if (!event.isTrusted) return;
    stop();
    if (opened) event.preventDefault();
  };
  /** The click that follows a long press would close the menu again, or press what is below it. */
  const click = (event: MouseEvent) => {
    if (!opened) return;
    opened = false;
    event.preventDefault();
    event.stopPropagation();
  };
  const options = { capture: true };
  window.addEventListener("pointerdown", down, options);
  window.addEventListener("pointermove", move, options);
  window.addEventListener("pointerup", stop, options);
  window.addEventListener("pointercancel", stop, options);
  window.addEventListener("touchstart", second, { capture: true, passive: true });
  window.addEventListener("contextmenu", native, options);
  window.addEventListener("click", click, options);
  return () => {
    stop();
    window.removeEventListener("pointerdown", down, options);
    window.removeEventListener("pointermove", move, options);
    window.removeEventListener("pointerup", stop, options);
    window.removeEventListener("pointercancel", stop, options);
    window.removeEventListener("touchstart", second, options);
    window.removeEventListener("contextmenu", native, options);
    window.removeEventListener("click", click, options);
  };
}
