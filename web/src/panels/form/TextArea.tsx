/** A text of several lines that grows with what is in it. What is typed stays as it is until the focus leaves. */

import { useLayoutEffect, useRef, useState } from "react";

interface Props {
  id: string;
  value: string;
  rows: number;
  onChange: (text: string) => void;
}

const TALLEST = 320;

export function TextArea({ id, value, rows, onChange }: Props) {
  const ref = useRef<HTMLTextAreaElement>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const shown = typed ?? value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const area = ref.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(TALLEST, area.scrollHeight + 2)}px`;
  }, [shown]);
  return (
    <textarea
      ref={ref}
      id={id}
      className="field"
      rows={rows}
      value={shown}
      spellCheck={false}
      onBlur={() => setTyped(null)}
      onChange={(event) => {
        setTyped(event.target.value);
        onChange(event.target.value);
      }}
    />
  );
}
