{{/*
Names. Objects are called ...-operator, so that a SeppenCluster in the same namespace may
be called as the release is. 40 characters leave room for what is put after them.
*/}}
{{- define "seppen.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- if not (contains $name $release) -}}
{{- $release = printf "%s-%s" $release $name -}}
{{- end -}}
{{- /* A Service's name begins with a letter, a release's may not. */ -}}
{{- if not (regexMatch "^[a-z]" $release) -}}
{{- $release = printf "r%s" $release -}}
{{- end -}}
{{- printf "%s-operator" ($release | trunc 31 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "seppen.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- ternary (include "seppen.fullname" .) "default" .Values.serviceAccount.create -}}
{{- end -}}
{{- end -}}

{{/*
What selects the operator's pods. The nodes' NetworkPolicy lets in pods of this name and
component, so these two are not for values to change.
*/}}
{{- define "seppen.selectorLabels" -}}
app.kubernetes.io/name: seppen
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Labels of every object, without the component. */}}
{{- define "seppen.commonLabels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "seppen"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/version" (.Chart.AppVersion | trunc 63 | replace "+" "_")
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end -}}

{{/* Labels of the operator's objects. */}}
{{- define "seppen.labels" -}}
{{- toYaml (merge (include "seppen.selectorLabels" . | fromYaml) (include "seppen.commonLabels" . | fromYaml)) -}}
{{- end -}}

{{- define "seppen.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What `helm test` makes: the name of its SeppenCluster, at most 40 characters, and a
namespace that the operator looks after.
*/}}
{{- define "seppen.testName" -}}
{{- printf "%s-test" (include "seppen.fullname" . | trimSuffix "-operator" | trunc 35 | trimSuffix "-") -}}
{{- end -}}

{{- define "seppen.testNamespace" -}}
{{- if or (not .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- first .Values.watchNamespaces -}}
{{- end -}}
{{- end -}}
