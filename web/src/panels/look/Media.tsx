/** A result as what it is: a picture, a text, a sound; anything else by its name. */

import { useEffect, useState } from "react";
import { artefactAddress, thumbnailAddress } from "../../api/client";
import { send } from "../../api/http";
import type { ArtefactInfo } from "../../api/types";
import { bytes } from "../../app/format";
import { Icon } from "../../app/icons";
import { isPicture, isSound, isText } from "../../model/media";

interface Props {
  item: ArtefactInfo;
  /** The thing itself instead of its thumbnail. */
  large?: boolean;
}

export function Media({ item, large = false }: Props) {
  if (isPicture(item)) return <Picture item={item} large={large} />;
  if (isText(item)) return <Text item={item} large={large} />;
  if (isSound(item) && large) {
    // biome-ignore lint/a11y/useMediaCaption: generated sound has no captions
    return <audio controls src={artefactAddress(item.digest)} aria-label={item.name} />;
  }
  return (
    <div className="media-file">
      <Icon name="file" size={large ? 32 : 22} />
      <span>{item.name}</span>
      <span className="hint">{bytes(item.bytes)}</span>
    </div>
  );
}

function Picture({ item, large }: Props) {
  const [broken, setBroken] = useState(false);
  if (broken) {
    return (
      <div className="media-file">
        <Icon name="gallery" size={22} />
        <span className="hint">no picture any more</span>
      </div>
    );
  }
  const small = item.width > 0 && item.width <= 512 && item.height <= 512;
  return (
    <img
      className={small ? "media-picture pixelated" : "media-picture"}
      src={large || small ? artefactAddress(item.digest) : thumbnailAddress(item.digest)}
      alt={`${item.name} of job ${item.job}`}
      width={item.width || undefined}
      height={item.height || undefined}
      loading="lazy"
      decoding="async"
      draggable={false}
      onError={() => setBroken(true)}
    />
  );
}

const SHOWN = 20_000;

function Text({ item, large }: Props) {
  const [text, setText] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    send("GET", `/api/artefacts/${item.digest}`, { signal: stop.signal })
      .then((response) => response.text())
      .then((found) => setText(found.slice(0, SHOWN)))
      .catch(() => {});
    return () => stop.abort();
  }, [item.digest]);
  return <p className={large ? "media-text large" : "media-text"}>{text}</p>;
}
