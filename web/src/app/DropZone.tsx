/** Files dropped anywhere open as tabs; a part that takes files itself stops the event before it comes here. */

import { useEffect, useState } from "react";
import { importFiles } from "./files";
import { Icon } from "./icons";

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;

export function DropZone() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const away = () => setOver(false);
    const move = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
      clearTimeout(timer);
      timer = setTimeout(away, 300);
    };
    const drop = (event: DragEvent) => {
      away();
      if (!hasFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      void importFiles([...(event.dataTransfer?.files ?? [])]);
    };
    window.addEventListener("dragenter", move);
    window.addEventListener("dragover", move);
    window.addEventListener("drop", drop);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("dragenter", move);
      window.removeEventListener("dragover", move);
      window.removeEventListener("drop", drop);
    };
  }, []);
  if (!over) return null;
  return (
    <div className="drop-zone" aria-hidden="true">
      <div>
        <Icon name="download" size={32} />
        <strong>Drop to open</strong>
        <span>A recipe, a ComfyUI workflow, or a picture made by one. Nothing runs.</span>
      </div>
    </div>
  );
}
