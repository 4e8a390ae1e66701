# syntax=docker/dockerfile:1
# `make image` makes the same content without Docker: keep hack/tools/image in step.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /seppen .

# One static binary. It needs no shell, no passwd and no CA certificates: whom it
# trusts it is told (the cluster's secret, the service account's CA).
FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title=seppen \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.version=$VERSION
COPY --from=build /seppen /seppen
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/seppen"]
