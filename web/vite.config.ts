import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The dev server stands in front of `nodeflow serve`; its guards want their own Host and Origin. */
declare const process: { env: Record<string, string | undefined> };
const server = process.env.NODEFLOW_SERVER ?? "http://127.0.0.1:8765";

const proxied = {
  target: server,
  changeOrigin: true,
  ws: true,
  headers: { origin: server, "sec-fetch-site": "same-origin" },
};

export default defineConfig({
  base: "./",
  plugins: [react()],
  server: { host: "127.0.0.1", proxy: { "/api": proxied, "/login": proxied } },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 900 },
});
