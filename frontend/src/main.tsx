import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router";
import { whenAsked } from "@/api/client";
import { forgetAll, queries } from "@/api/session";
import { coverAmounts } from "@/parts/privacy";
import { router } from "./routes";
import "./base.css";

whenAsked({ onSignedOut: forgetAll });

coverAmounts();

const root = document.getElementById("app");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
