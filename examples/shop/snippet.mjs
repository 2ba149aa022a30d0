// Writes site/snippet.js: Segment's own browser snippet, with only its host and key changed to the shop's settings.
import { writeFileSync } from "node:fs";
import snippet from "@segment/snippet";

const text = snippet.max({ host: "HOST", apiKey: "KEY", page: false });
const ours = text.replace('"https://HOST/', 'window.shop.host + "/').replaceAll('"KEY"', "window.shop.writeKey");
// Where the settings are fetched from before the first event: the same host.
const cdn = "  analytics._cdn = window.shop.host;\n";
const at = ours.indexOf("  analytics.load(window.shop.writeKey)");
writeFileSync(new URL("site/snippet.js", import.meta.url), ours.slice(0, at) + cdn + ours.slice(at));
