import { useEffect, useState } from "react";
import { contentImages, imageBlob, type ContentImage } from "./images";

/** The images among content blocks. */
export function ImageList({ content, label }: { readonly content: unknown; readonly label: string }) {
  const images = contentImages(content);
  if (images.length === 0) return null;
  return (
    <div className="images">
      {images.map((image, index) => (
        <Image key={index} image={image} label={images.length > 1 ? `${label} ${index + 1}` : label} />
      ))}
    </div>
  );
}

function Image({ image, label }: { readonly image: ContentImage; readonly label: string }) {
  const [url, setUrl] = useState<string>();
  const [broken, setBroken] = useState(false);
  const { type, base64 } = image;
  useEffect(() => {
    const blob = imageBlob({ type, base64 });
    if (!blob) return setBroken(true);
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [type, base64]);
  if (broken) return <p className="muted">[{label}: it can't be shown]</p>;
  return url ? <img className="content-image" src={url} alt={label} onError={() => setBroken(true)} /> : null;
}
