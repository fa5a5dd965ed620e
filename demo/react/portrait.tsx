import { type ReactElement, useEffect, useRef } from 'react';
import { useAvatar } from 'vitrail/react';

/** An avatar, or splats, from an address. */
export function Portrait({ src }: { src: string }): ReactElement {
  const { avatar, progress, error } = useAvatar(src);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!avatar || !frame.current) return;
    // A canvas can be handed over once, and StrictMode runs effects twice: each run makes one of its own.
    const canvas = document.createElement('canvas');
    canvas.style.cssText = 'inline-size: 100%; block-size: 24rem';
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', 'The avatar. Arrow keys turn it.');
    frame.current.append(canvas);
    const view = avatar.attach(canvas);
    return () => {
      view.stop();
      canvas.remove();
    };
  }, [avatar]);
  if (error) {
    return (
      <div role="alert">
        <p>{error.message}</p>
        <p>{error.fix}</p>
      </div>
    );
  }
  return (
    <>
      <div ref={frame} />
      {avatar ? (
        <p className="muted">{avatar.info.splats} splats are ready.</p>
      ) : (
        <progress
          aria-label="Loading"
          value={progress?.loadedBytes}
          max={progress?.totalBytes || 1}
        />
      )}
    </>
  );
}
