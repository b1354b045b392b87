import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({ root: "bench", base: "./", plugins: [react()], build: { target: "es2022" } });
